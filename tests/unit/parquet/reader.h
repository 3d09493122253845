/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A small Parquet reader for the tests, sharing no code with the writer. It asserts as it goes. */

#include "base/buf.h"
#include "base/slice.h"

#include <stdint.h>

/* A thrift value: a field of a struct (id) or an element of a list (id = index). */
struct node {
    int id, type;
    int64_t i;      /* booleans, integers */
    struct slice s; /* binaries */
    struct node *kids;
    size_t kid_count;
};

/* Parses one struct at the start of @bytes; returns how many bytes it took. */
size_t node_parse(struct slice bytes, struct node *ret_node);
void node_free(struct node *n);
/* The node at the path of ids that ends with -1; NULL when it is not there. */
const struct node *node_at(const struct node *n, ...);
/* Its integer; asserts that it is there. */
#define INT_AT(n, ...)  (node_at((n), __VA_ARGS__, -1)->i)
#define TEXT_AT(n, ...) (node_at((n), __VA_ARGS__, -1)->s)

/* Checks magic and length; the caller frees the FileMetaData. */
void file_parse(struct slice file, struct node *ret_footer);

/* All pages of a chunk, decoded. @max: of definition and repetition levels. */
struct chunk {
    size_t level_count, value_count, data_pages, dict_entries;
    uint8_t *def, *rep;    /* NULL where not asked for */
    struct slice *values;  /* PLAIN bytes; strings without length; booleans a byte */
    struct buf pages[512]; /* uncompressed bodies, borrowed by values */
    size_t page_count;
};
void chunk_read(struct slice file, const struct node *meta, uint32_t width, const int max[2],
                struct chunk *ret_chunk);
#define OPTIONAL ((const int[]){1, 0})
#define REQUIRED ((const int[]){0, 0})
void chunk_free(struct chunk *c);

/* Values of a hybrid of @count values. Returns the bytes it took. */
size_t hybrid_read(struct slice bytes, uint32_t width, size_t count, uint32_t *ret_values);
