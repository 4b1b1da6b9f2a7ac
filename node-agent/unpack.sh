# Runs inside the unpack sandbox: a layer on stdin becomes files in /mnt. Prints the diffID and the bytes on disk.
#   $1 gzip, zstd or none   $2 most bytes of the uncompressed tar   $3 most entries
# Ends with 3 and a sentence on stderr when the archive is not to be trusted.
set -euo pipefail
umask 022
refuse() { echo "$*" >&2; exit 3; }

case $1 in
  gzip) decompress=(gzip -dc) ;;
  zstd) decompress=(zstd -dcq --memory=128MB) ;;
  none) decompress=(cat) ;;
  *) refuse "unknown compression $1" ;;
esac

mkfifo /run/copy /run/names
sha256sum </run/copy >/run/sum &
summing=$!
# Ends tar, by its next name, after so many.
head -n "$3" </run/names >/dev/null &
unpack() {
  local status=0
  # Names that leave the root are refused by tar; user.overlay.* would speak to the overlay above.
  tar --extract --file=- --verbose --index-file=/run/names --directory=/mnt --numeric-owner --same-owner --preserve-permissions --delay-directory-restore \
    --xattrs --xattrs-include='security.capability' --xattrs-include='user.*' --xattrs-exclude='user.overlay.*' \
    2>/run/tar-errors || status=$?
  # What follows the archive's end belongs to the digest.
  cat >/dev/null
  return "$status"
}
ended=(0 0 0 0)
"${decompress[@]}" | head -c "$(($2 + 1))" | tee /run/copy | unpack || ended=("${PIPESTATUS[@]}")
wait "$summing"
# 141: it wrote to a reader that had had enough.
[[ ${ended[0]} -ne 141 ]] || refuse "the layer is larger than $2 bytes"
[[ ${ended[3]} -ne 141 ]] || refuse "the layer has more than $3 entries"
if [[ "${ended[*]}" != "0 0 0 0" ]]; then
  # Device nodes cannot be made here, and no container gets to use one: they are left out.
  problems=$(grep -v -e 'Cannot mknod: Operation not permitted' -e 'Exiting with failure status due to previous errors' /run/tar-errors || true)
  [[ -z $problems && -s /run/tar-errors ]] || refuse "the archive cannot be unpacked: $(head -c 500 <<<"${problems:-cut short, or not what its type says}")"
fi

cd /mnt
# One walk: whiteouts into a list, the size of every entry (in KiB, hard links once) summed up.
read -r entries kib < <(find . -xdev \( -name '.wh.*' -fprint0 /run/whiteouts -o -true \) -printf '%i %k\n' | awk '{ n++ } !seen[$1]++ { sum += $2 } END { print n, sum }')
[[ $entries -le $3 ]] || refuse "the layer has more than $3 entries"
# Whiteouts, as the overlay reads them: a hidden name is a character device 0:0, an opaque directory an attribute.
while IFS= read -r -d '' path; do
  # It lay in a directory that was a whiteout itself.
  [[ -e $path || -L $path ]] || continue
  directory=${path%/*}
  base=${path##*/}
  if [[ $base == .wh..wh..opq ]]; then
    setfattr -n user.overlay.opaque -v y "$directory"
  elif [[ $base == .wh..wh.* ]]; then
    : # Other aufs metadata says nothing to us.
  else
    name=${base#.wh.}
    [[ -n $name && $name != . && $name != .. ]] || refuse "the whiteout «$base» names nothing"
    # A whiteout hides what is in lower layers; the layer's own entry of that name stays.
    [[ -e $directory/$name || -L $directory/$name ]] || mknod "$directory/$name" c 0 0
  fi
  rm -rf -- "$path"
done </run/whiteouts
read -r sum _ </run/sum
echo "$sum $((kib * 1024))"
