#!/bin/sh
# assemble.sh ROOT: from a Debian with rtp in /opt/rtp, the root of the image: what runs a Python, and rtp.
set -eu
root=$1
here=$(dirname "$0")
python=$(basename "$(readlink -f /usr/bin/python3)")
libraries=/opt/rtp/lib/$python/site-packages

# Python's own packages, and the libraries that it and the wheels are linked to.
packages="base-files ca-certificates media-types netbase python3-minimal $python-minimal lib$python-minimal
  lib$python-stdlib libc6 libgcc-s1 libstdc++6 libssl3t64 libexpat1 libffi8 libbz2-1.0 liblzma5 libsqlite3-0 libuuid1
  libzstd1 zlib1g"
mkdir -p "$root/tmp" "$root/etc/ssl/certs" "$root/etc/rtp"
chmod 1777 "$root/tmp"
for package in $packages; do dpkg --listfiles "$package"; done | sort -u |
  grep -v -E '^/usr/(bin/py3|s?bin/[^p]|share/(doc|man|lintian|bug|binfmts|python3)|lib/.*/gconv)' |
  grep -v -E "/$python/(_pyrepl|ensurepip|pydoc_data|test|unittest)/" |
  while read -r path; do
    # A folder would bring all that is in it; its own files are named one by one.
    if [ -L "$path" ] || [ -f "$path" ]; then printf '%s\n' "$path"; fi
  done >/tmp/files
tar --create --file - --files-from /tmp/files | tar --extract --file - --directory "$root"
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
printf 'root:x:0:0::/root:/sbin/nologin\nrtp:x:65532:65532::/etc/rtp:/sbin/nologin\n' >"$root/etc/passwd"
printf 'root:x:0:\nrtp:x:65532:\n' >"$root/etc/group"

# What rtp never loads: nine tenths of botocore describe services that it does not use.
/opt/rtp/bin/pip uninstall --quiet --yes pip setuptools
python3 "$here/../../infrastructure/trim_package.py" --for-commands "$libraries"
find /opt/rtp -name __pycache__ -prune -exec rm -r {} +
# The symbols of uvloop alone are 14 MB.
find "$libraries" \( -name '*.cpython-*.so' -o -name '*.abi3.so' \) -exec strip --strip-unneeded {} +
python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/rtp/lib "$root/usr/lib/$python"
mkdir -p "$root/opt"
cp -R /opt/rtp "$root/opt/rtp"
cp "$here/healthy.py" "$root/opt/rtp/healthy.py"
