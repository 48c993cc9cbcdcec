#!/bin/sh
# Measures what docs/evidence.md says: hours of composed video, meant reactions, and real clips, by preset.
#
#   [PRESETS=1] tools/evidence.sh DATA OUT [JOBS]
#
# DATA holds the splits of labelled photographs and clips/dev. OUT gets the clips and the reports, 3 GB at most; keep it
# private. Every step goes on where it was cut. A report is computed anew, so a run with another model measures that one.
set -eu
[ $# -ge 2 ] || { echo "expected DATA OUT [JOBS], got $# arguments" >&2; exit 2; }
data=$1 out=$2 jobs=${3:-1}
evaluate="gifcue-lab evaluate clips"
resume="--resume --no-timelines --at-once $jobs"

gifcue-lab dataset compose "$data" "$out/busy" --split dev --hours 6 --mix busy --seed 1 --jobs "$jobs"
gifcue-lab dataset compose "$data" "$out/meant" --split dev --minutes 40 --seed 1 --jobs "$jobs"

echo "== busy, normal, as served"
$evaluate "$out/busy" --local $resume --no-compare-filter --report "$out/busy-normal"
echo "== meant, normal, with the similar-frame filter on and off"
$evaluate "$out/meant" --local $resume --report "$out/meant-normal"
echo "== real clips, normal, through a server, with the filter on and off"
$evaluate "$data/clips/dev" $resume --report "$out/real-normal"

# The other presets are computed from recorded detections, with the filter off. Without PRESETS=1 they are left out,
# because recording takes as long again as all of the above.
[ "${PRESETS:-}" = 1 ] || exit 0
for clips in busy meant real; do
  folder=$out/$clips
  [ "$clips" = real ] && folder=$data/clips/dev
  $evaluate "$folder" --local $resume --no-compare-filter --record "$out/$clips-detections" --report "$out/$clips-recorded" >/dev/null
done
for preset in careful playful; do
  for clips in busy meant real; do
    folder=$out/$clips
    [ "$clips" = real ] && folder=$data/clips/dev
    echo "== $clips, $preset"
    $evaluate "$folder" --replay "$out/$clips-detections" --preset $preset --report "$out/$clips-$preset" --no-timelines
  done
done
