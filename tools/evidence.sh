#!/bin/sh
# Measures what docs/evidence.md says: hours of composed video, meant reactions, and real clips, by preset.
#
#   tools/evidence.sh DATA OUT [JOBS]
#
# DATA holds the splits of labelled photographs and clips/dev. OUT gets the clips and the reports, 3 GB at most; keep it
# private. Every step goes on where it was cut. A report is computed anew, so a run with another model measures that one.
set -eu
[ $# -ge 2 ] || { echo "expected DATA OUT [JOBS], got $# arguments" >&2; exit 2; }
data=$1 out=$2 jobs=${3:-1}
evaluate="gifcue-lab evaluate clips"
local="--local --resume --no-timelines --at-once $jobs"

gifcue-lab dataset compose "$data" "$out/busy" --split dev --hours 6 --mix busy --seed 1 --jobs "$jobs"
gifcue-lab dataset compose "$data" "$out/meant" --split dev --minutes 40 --seed 1 --jobs "$jobs"

# Every frame that pacing leaves is analysed and recorded, so that the other presets need no networks.
echo "== busy, normal"
$evaluate "$out/busy" $local --no-compare-filter --record "$out/busy-detections" --report "$out/busy-normal"
echo "== meant, normal, with the similar-frame filter on and off"
$evaluate "$out/meant" $local --report "$out/meant-normal"
echo "== real clips, normal, through a server, with the filter on and off"
$evaluate "$data/clips/dev" --resume --at-once "$jobs" --report "$out/real-normal"

$evaluate "$out/meant" $local --no-compare-filter --record "$out/meant-detections" --report "$out/meant-recorded" >/dev/null
$evaluate "$data/clips/dev" $local --no-compare-filter --record "$out/real-detections" --report "$out/real-recorded" >/dev/null
for preset in careful playful; do
  for clips in busy meant real; do
    folder=$out/$clips
    [ "$clips" = real ] && folder=$data/clips/dev
    echo "== $clips, $preset"
    $evaluate "$folder" --replay "$out/$clips-detections" --preset $preset --report "$out/$clips-$preset" --no-timelines
  done
done
