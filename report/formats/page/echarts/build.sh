#!/usr/bin/env bash
# Makes echarts.js anew, out of the packages that package-lock.json names with
# their checksums:
#
#   report/formats/page/echarts/build.sh           writes echarts.js
#   report/formats/page/echarts/build.sh --check   compares with it instead
#
# Needs node and npm. Nothing outside a temporary folder and echarts.js changes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cp "$here"/{entry.js,package.json,package-lock.json} "$work"
cd "$work"
npm ci --ignore-scripts --no-audit --no-fund >&2

# What must go with every copy: the page that carries the code is one.
{
  printf '/*!\nApache ECharts %s, https://echarts.apache.org, under the Apache License 2.0:\nhttps://www.apache.org/licenses/LICENSE-2.0\n\n' \
    "$(node -p 'require("echarts/package.json").version')"
  cat node_modules/echarts/NOTICE
  printf '\n\nZRender %s\n\n' "$(node -p 'require("zrender/package.json").version')"
  cat node_modules/zrender/LICENSE
  printf '\n\nd3.js, parts of it in ECharts\n\n'
  cat node_modules/echarts/licenses/LICENSE-d3
  printf '\n*/'
} >banner

npx --no-install esbuild entry.js --bundle --minify --format=iife --global-name=echarts \
  --target=es2019 --charset=ascii --legal-comments=none --log-level=warning \
  "--banner:js=$(cat banner)" --outfile=echarts.js

if [[ ${1:-} == --check ]]; then
  cmp echarts.js "$here/echarts.js"
else
  cp echarts.js "$here/echarts.js"
fi
