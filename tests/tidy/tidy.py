#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The house rules that a script can check, in under a second: tidy.py [--list]

Each rule is a function that yields findings (path, line, name, text). A finding that stands in
exceptions.txt (rule, path:name, reason) is let pass; an exception that is no longer needed is a
finding itself, so the list can only shrink. Last line: N passed, N failed (rules).
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 1000
README_LINES_MAX = 70
COLUMNS_MAX = 100
PARAMETERS_MAX = 5
NESTING_MAX = 3

# Header -> modules of src/ that may include it. Outside src/ only the build decides.
THIRD_PARTY = [
    (r"grpc/(?!.*\.pb-c\.h).*", {"rpc"}),
    (r"rocksdb/", {"store"}),
    (r"liburing\.h", {"sys"}),
    (r"pthread\.h|threads\.h|semaphore\.h", {"sys"}),
    (r"sys/(socket|eventfd|epoll|timerfd|mman|random|file)\.h|dirent\.h", {"sys"}),
    (r"fcntl\.h", {"sys", "cmd"}),
    (r"openssl/", {"auth"}),
    (r"zstd\.h|zlib\.h|lz4.*\.h|snappy.*\.h", {"parquet"}),
    (r"jansson\.h", {"delta"}),
    (r"xxhash\.h", {"delta"}),
    (r"curl/", {"objstore"}),
    (r".*\.pb-c\.h|protobuf-c/", {"rpc", "codec", "catalog", "ingest", "serve", "admin", "cmd"}),
    (r"getopt\.h|termios\.h", {"cmd"}),
    (r"signal\.h", {"cmd", "sys"}),
]
# Calls -> modules that may make them, with what to use instead.
BANNED = [
    (r"open|openat|creat|fopen|opendir|read|write|pread|pwrite|preadv|pwritev2?|fsync|fdatasync|"
     r"ftruncate|fallocate|unlink|rename|mkdir|mmap|munmap|flock|fcntl", {"sys", "cmd"},
     "sys/sys.h"),
    (r"clock_gettime|gettimeofday|time|nanosleep|usleep|sleep", {"sys"}, "the clock of sys/sys.h"),
    (r"rand|random|srand|srandom|rand_r|drand48|getrandom|getentropy", {"sys"}, "sys/sys.h"),
    (r"pthread_\w+|thrd_\w+|mtx_\w+|cnd_\w+|sem_(?:init|wait|post)", {"sys"}, "sys/sys.h"),
    (r"socket|connect|accept4?|listen|epoll_\w+|eventfd", {"sys"}, "rpc or sys"),
    (r"fork|vfork|system|popen|exec[lv]\w*", set(), "nothing: programs are not started"),
    (r"malloc|calloc|realloc|strdup|strndup|asprintf|vasprintf", {"base"}, "base/mem.h"),
    (r"strcpy|strcat|sprintf|vsprintf|gets|strtok|alloca|atoi|atol|atof", set(),
     "a bounded form"),
    (r"setlocale|localtime|gmtime|ctime|asctime", set(), "a form without hidden state"),
]
SPDX = "SPDX-License-Identifier: Apache-2.0"
NEEDS_SPDX = (".c", ".h", ".py", ".sh", ".proto", ".cmake", ".txt", ".service", ".conf", ".toml")
TEXT = NEEDS_SPDX + (".md", ".yml", ".json")


class File:
    def __init__(self, path):
        self.path = path
        self.parts = pathlib.PurePath(path).parts
        self.text = (ROOT / path).read_text(encoding="utf-8", errors="replace")
        self.lines = self.text.split("\n")
        self.is_c = path.endswith((".c", ".h"))
        self.module = self.parts[1] if self.parts[0] == "src" and len(self.parts) > 2 else None
        self.code = blank_comments(self.text).split("\n") if self.is_c else self.lines
        self.functions = list(functions(self.code)) if self.is_c else []


class Function:
    def __init__(self, name, parameters, first, last):
        self.name, self.parameters, self.first, self.last = name, parameters, first, last


TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank_comments(text):
    """The text with comments, strings and character constants emptied, lines kept."""
    def blank(match):
        token = match.group()
        if token[0] in "\"'":
            return token[0] * 2
        return "\n" * token.count("\n")

    return TOKEN.sub(blank, text)


def functions(code):
    """Function definitions: their brace stands alone in column 0."""
    start = None
    for i, line in enumerate(code):
        if line == "{":
            start = i
        elif line.startswith("}") and start is not None:
            first = start
            while first > 0 and code[first - 1].strip() and not re.match(
                    r"[}#]|.*;\s*$", code[first - 1]):
                first -= 1
            signature = " ".join(code[first:start])
            named = re.search(r"(\w+)\s*\(", signature)
            if named and "=" not in signature.split("(")[0]:
                yield Function(named.group(1), parameter_count(signature), first + 1, i + 1)
            start = None


def parameter_count(signature):
    """Inputs only: the error's sentence and ret_x, out_x do not count (decision 5)."""
    inside = signature[signature.index("(") + 1:]
    depth, current, parameters = 0, "", []
    for c in inside:
        if c == ")" and depth == 0:
            break
        depth += {"(": 1, ")": -1}.get(c, 0)
        if c == "," and depth == 0:
            parameters.append(current)
            current = ""
        else:
            current += c
    parameters.append(current)
    names = [p.split()[-1].lstrip("*") for p in parameters if p.strip() not in ("", "void")]
    return sum(not re.match(r"(e|ret|ret_\w+|out|out_\w+)(\[.*)?$", n) for n in names)


# ---- rules ---------------------------------------------------------------------------------------


def rule_includes_go_through_faces(files):
    for f in c_files(files):
        for n, line in enumerate(f.lines, 1):
            found = re.match(r'\s*#\s*include\s+(["<])([^">]+)[">]', line)
            if not found:
                continue
            quote, header = found.groups()
            if ".." in header.split("/"):
                yield f.path, n, header, "an include may not climb with .."
            other = header.split("/")[0] if "/" in header and quote == '"' else None
            if f.module and other and other != f.module and header.endswith("_priv.h"):
                yield f.path, n, header, "the private header of another module"


def rule_libraries_stay_in_their_module(files):
    for f in c_files(files):
        if not f.module:
            continue
        for n, line in enumerate(f.lines, 1):
            found = re.match(r'\s*#\s*include\s+["<]([^">]+)[">]', line)
            for pattern, allowed in THIRD_PARTY if found else ():
                if re.fullmatch(pattern if pattern[-1] != "/" else pattern + ".*",
                                found.group(1)) and f.module not in allowed:
                    yield f.path, n, found.group(1), f"only in {', '.join(sorted(allowed))}"


def rule_banned_calls(files):
    every = re.compile(r"(?<![\w.>])(" + "|".join(b[0] for b in BANNED) + r")\s*\(")
    for f in c_files(files):
        if not f.module:
            continue
        for n, line in enumerate(f.code, 1):
            for call in every.findall(line):
                for pattern, allowed, instead in BANNED:
                    if re.fullmatch(pattern, call) and f.module not in allowed:
                        yield f.path, n, call, f"{call}() is not for this module: use {instead}"


def rule_functions_are_short(files):
    for f in c_files(files):
        for fn in f.functions:
            length = fn.last - fn.first + 1
            if length > FUNCTION_LINES_MAX:
                yield (f.path, fn.first, fn.name,
                       f"{fn.name} has {length} lines, at most {FUNCTION_LINES_MAX}")


def rule_functions_take_few_parameters(files):
    for f in c_files(files):
        for fn in f.functions:
            if fn.parameters > PARAMETERS_MAX and not re.match(r"(Death)?Test$", fn.name):
                yield (f.path, fn.first, fn.name,
                       f"{fn.name} has {fn.parameters} parameters, at most {PARAMETERS_MAX}")


def rule_nesting_is_shallow(files):
    control = re.compile(r"(\)|\belse|\bdo)\s*$")
    for f in c_files(files):
        for fn in f.functions:
            stack, deepest, before = [], 0, ""
            for line in f.code[fn.first - 1:fn.last]:
                for c in line:
                    if c == "{":
                        stack.append(bool(control.search(before)) or not stack)
                        deepest = max(deepest, sum(stack) - 1)
                        before = ""
                    elif c == "}":
                        if stack:
                            stack.pop()
                        before = ""
                    elif c in ";":
                        before = ""
                    else:
                        before += c
                before += " "
            if deepest > NESTING_MAX:
                yield (f.path, fn.first, fn.name,
                       f"{fn.name} nests {deepest} levels, at most {NESTING_MAX}")


def rule_files_are_short(files):
    for f in files:
        if f.path.endswith((".c", ".h", ".py")) and len(f.lines) - 1 > FILE_LINES_MAX:
            yield f.path, 1, "file", f"{len(f.lines) - 1} lines, at most {FILE_LINES_MAX}"


def rule_lines_fit(files):
    for f in files:
        if not f.path.endswith((".c", ".h", ".py", ".sh", ".proto", ".cmake")) and \
                f.parts[-1] not in ("dev", "CMakeLists.txt"):
            continue
        for n, line in enumerate(f.lines, 1):
            if len(line) > COLUMNS_MAX:
                yield f.path, n, str(n), f"{len(line)} columns, at most {COLUMNS_MAX}"


def rule_whitespace_is_clean(files):
    for f in files:
        if not f.path.endswith(TEXT) and f.parts[-1] != "dev":
            continue
        for n, line in enumerate(f.lines, 1):
            if line != line.rstrip():
                yield f.path, n, str(n), "white space at the end of the line"
            if "\t" in line and f.is_c:
                yield f.path, n, str(n), "a tab"
        if f.text and not f.text.endswith("\n"):
            yield f.path, len(f.lines), "end", "no newline at the end"


def rule_licence_is_named(files):
    for f in files:
        needs = f.path.endswith(NEEDS_SPDX) or f.text.startswith("#!")
        if needs and SPDX not in "\n".join(f.lines[:2]):
            yield f.path, 1, "spdx", f"the first line is not {SPDX}"


def rule_sources_explain_themselves(files):
    for f in c_files(files):
        first = next((l for l in f.lines[1:] if l.strip()), "")
        if f.module and f.path.endswith(".c") and not first.startswith("/*"):
            yield f.path, 2, "head", "no comment at the head of the file"
        if f.path.endswith(".h") and "#pragma once" not in f.text:
            yield f.path, 1, "once", "no #pragma once"


def rule_names_follow_the_house(files):
    for f in c_files(files):
        for n, line in enumerate(f.code, 1):
            if re.match(r"\s*typedef\s+(struct|union|enum)\b", line):
                yield f.path, n, str(n), "no typedef of a struct, union or enum"
        for n, line in top_level_lines(f.code) if f.module else ():
            if f.path.endswith(".c") and GLOBAL.match(line) and not CONSTANT.search(line):
                yield f.path, n, str(n), "a global variable"


GLOBAL = re.compile(r"(static )?(struct |enum |unsigned )?\w+ \**\w+(\[[^]]*\])*( = .*|;)$")
CONSTANT = re.compile(r"\bconst\b|^(extern|typedef|struct \w+;|enum \w+;|static_assert)")


def top_level_lines(code):
    depth = 0
    for n, line in enumerate(code, 1):
        if depth == 0:
            yield n, line
        depth += line.count("{") - line.count("}")


def rule_to_do_names_an_issue(files):
    for f in files:
        if f.parts[:2] == ("tests", "tidy"):
            continue
        for n, line in enumerate(f.lines, 1):
            if re.search(r"\b(FIXME|XXX|HACK)\b", line) or \
                    re.search(r"\bTODO\b(?!\(#\d+\))", line):
                yield f.path, n, str(n), "write TODO(#issue)"


def rule_modules_have_a_readme(files):
    for module in sorted({f.module for f in files if f.module and f.is_c}):
        readme = ROOT / "src" / module / "README.md"
        if not readme.is_file():
            yield f"src/{module}", 1, module, "no README.md"
        elif len(readme.read_text().split("\n")) > README_LINES_MAX:
            yield f"src/{module}/README.md", 1, module, f"more than {README_LINES_MAX} lines"


def rule_sources_have_tests(files):
    paths = {f.path for f in files}
    for f in c_files(files):
        if not f.module or f.module == "cmd" or not f.path.endswith(".c"):
            continue
        stem = f.parts[-1][:-2]
        wanted = [f"tests/unit/{f.module}/test_{s}.c" for s in (stem, f.module)]
        contract = f"tests/contract/{f.module}/"
        if not any(w in paths for w in wanted) and not any(p.startswith(contract) for p in paths):
            yield f.path, 1, stem, f"no {wanted[0]}"


def rule_modules_are_declared(files):
    declared = set(re.findall(r"^module\((\w+)", (ROOT / "CMakeLists.txt").read_text(), re.M))
    for module in sorted({f.module for f in files if f.module} - declared - {"cmd"}):
        yield f"src/{module}", 1, module, "no module() line in CMakeLists.txt"


def rule_uses_go_down(files):
    cmake = ROOT / "CMakeLists.txt"
    text = re.sub(r"#[^\n]*", "", cmake.read_text())
    above = set()
    for found in re.finditer(r"^module\((\w+)([^)]*)\)", text, re.M):
        module, rest = found.groups()
        used = re.search(r"\bUSES\b(.*?)(?=\bLIBS\b|$)", rest, re.S)
        for other in used.group(1).split() if used else ():
            if other not in above:
                line = text[:found.start()].count("\n") + 1
                yield (cmake.name, line, f"{module}-{other}",
                       f"{module} uses {other}, whose line does not stand above")
        above.add(module)


# ---- run -----------------------------------------------------------------------------------------


def c_files(files):
    return (f for f in files if f.is_c)


def tracked_files():
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, check=True,
        stdout=subprocess.PIPE).stdout.decode().split("\0")
    for path in sorted(set(listed)):
        wanted = path.endswith(TEXT) or path == "dev"
        if wanted and not path.startswith("tests/golden/") and (ROOT / path).is_file():
            yield File(path)


def load_exceptions():
    """{(rule, "path:name"): reason}"""
    exceptions = {}
    for line in (ROOT / "tests/tidy/exceptions.txt").read_text().split("\n"):
        if line.strip() and not line.startswith("#"):
            rule, where, reason = line.split(None, 2)
            exceptions[rule, where] = reason
    return exceptions


def main():
    rules = {n[5:]: r for n, r in globals().items() if n.startswith("rule_")}
    if sys.argv[1:] == ["--list"]:
        print("\n".join(rules))
        return 0
    files, exceptions = list(tracked_files()), load_exceptions()
    used, failed = set(), set()
    for rule, find in rules.items():
        for path, line, name, text in find(files):
            if (rule, f"{path}:{name}") in exceptions:
                used.add((rule, f"{path}:{name}"))
                continue
            failed.add(rule)
            print(f"{path}:{line}: {rule}: {text}")
    for rule, where in sorted(set(exceptions) - used):
        failed.add("exceptions")
        print(f"tests/tidy/exceptions.txt:1: exceptions: no longer needed: {rule} {where}")
    passed = len(rules) + 1 - len(failed)
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
