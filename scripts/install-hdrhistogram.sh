#!/usr/bin/env bash
# Puts HdrHistogram's own jar, from Maven Central, into one folder.
#
#   scripts/install-hdrhistogram.sh DIR
#
# Afterwards there is DIR/HdrHistogram.jar. A second call does nothing. Needs Maven
# (mvn), and a way to Maven Central, as Maven's own settings tell it.
set -euo pipefail

readonly version=2.2.2 sum=22d1d4316c4ec13a68b559e98c8256d69071593731da96136640f864fa14fad8
dir=$1 jar=$1/HdrHistogram.jar
[[ ! -s $jar ]] || exit 0
mkdir -p "$dir"
mvn -q dependency:copy "-Dartifact=org.hdrhistogram:HdrHistogram:$version" "-DoutputDirectory=$dir/new" -Dmdep.stripVersion=true
mv "$dir/new/HdrHistogram.jar" "$jar.new"
echo "$sum  $jar.new" | sha256sum --check --quiet
mv "$jar.new" "$jar"
rmdir "$dir/new"
