#!/usr/bin/env bash
# Makes a release in dist/: wheel, sdist, list of parts (CycloneDX), checksums, signature. Uploads nothing.
#   scripts/release.sh VERSION          SIGNING_KEY=~/.ssh/id_ed25519 signs the checksums
set -euo pipefail
cd "$(dirname "$0")/.."

refuse() { echo "Not released: $1" >&2; exit 1; }

version=${1:-}
python=${PYTHON:-.venv/bin/python}
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || refuse "give a version such as 0.2.0."
[ -z "$(git status --porcelain)" ] || refuse "the tree has changes that are not committed."
grep -q "^## \[$version\]" CHANGELOG.md || refuse "CHANGELOG.md has no section [$version]."
grep -q "^version = \"$version\"" pyproject.toml || refuse "pyproject.toml names another version."
grep -q "^__version__ = \"$version\"" src/hyoid/__init__.py || refuse "src/hyoid/__init__.py names another version."
grep -q "^version: $version" CITATION.cff || refuse "CITATION.cff names another version."
last=$(git tag --list 'v*' --sort=-version:refname | head -n 1)
newest=$(printf '%s\n%s\n' "${last#v}" "$version" | sort -V | tail -n 1)
if [ "$last" = "v$version" ] || [ "$newest" != "$version" ]; then refuse "$version is not newer than ${last#v}."; fi

"$python" -m pip install --quiet 'build>=1.2,<2' 'cyclonedx-bom>=7,<8'
rm -rf dist
# The time of the commit stands in the archives, so that two builds are the same bytes.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) "$python" -m build --outdir dist .
"$python" -m cyclonedx_py requirements --pyproject pyproject.toml --output-reproducible \
    --output-file dist/sbom.cdx.json requirements.lock
(cd dist && sha256sum -- *.whl *.tar.gz sbom.cdx.json > SHA256SUMS)
if [ -n "${SIGNING_KEY:-}" ]; then
    ssh-keygen -q -Y sign -f "$SIGNING_KEY" -n hyoid-release dist/SHA256SUMS
    echo "Signed. Check: ssh-keygen -Y verify -f allowed_signers -I WHO -n hyoid-release -s SHA256SUMS.sig < SHA256SUMS"
else
    echo "Nothing is signed: SIGNING_KEY names no key."
fi
echo "Release $version lies in dist. Tag it: git tag -a v$version"
