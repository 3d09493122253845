#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A development CA and a server certificate: dev-ca.sh FOLDER [NAME …]
#
# Writes ca.pem (give it to clients), ca.key, server.pem and server.key (tls_cert and tls_key of
# sluiced.conf) to FOLDER. NAMEs are the host names and addresses that clients will use, localhost
# and 127.0.0.1 always among them. The CA is kept when it is there already; the server certificate
# is made anew. For production use your own CA.
set -eu

if [ $# -lt 1 ]; then
    echo "usage: dev-ca.sh FOLDER [NAME …]" >&2
    exit 2
fi
folder=$1
shift
umask 077
mkdir -p "$folder"
cd "$folder"

names="DNS:localhost,IP:127.0.0.1,IP:::1"
for name in "$@"; do
    case $name in
    *[!0-9.]*) names="$names,DNS:$name" ;;
    *) names="$names,IP:$name" ;;
    esac
done

if [ ! -s ca.pem ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 -days 3650 \
        -keyout ca.key -out ca.pem -subj "/CN=Sluice development CA" \
        -addext "basicConstraints=critical,CA:TRUE,pathlen:0" \
        -addext "keyUsage=critical,keyCertSign,cRLSign" 2>/dev/null
fi

# A proper leaf: clients refuse a certificate that may itself sign others.
cat > server.ext <<EXT
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectAltName=$names
EXT
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 \
    -keyout server.key -out server.csr -subj "/CN=sluiced" 2>/dev/null
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -sha256 -days 825 \
    -extfile server.ext -out server.pem 2>/dev/null
rm -f server.csr server.ext
chmod 644 ca.pem server.pem
echo "$folder: ca.pem, server.pem and server.key for $names"
