"""Composes videos with known reactions from labelled photographs.

Data flows from the top to the bottom:

    subjects       photographs -> `Still`: what each shows; sorts them into scenes
    cutouts        removes hands from photographs (backgrounds) and cuts hands out
    participants   stills -> `Subjects`: the people of a split, and what can be shown of each
    builder        `SequenceBuilder`: one sequence while it is put together
    positives      add segments with an expected reaction to a builder
    distractors    add segments without one
    behaviour      add segments of a busy meeting, without one as well
    hand_motion    keyframes of a moving hand
    mixes          which types of segment occur how often, and the kinds of video
    schedule       chooses what comes next -> tuple of `Segment`
    plan           which people are shown, how long, in which video -> `Sequence`
    script         the result as plain data, as in script.json
    renderer       script -> RGB frames; `sway` moves heads and cameras, `held` draws what hands hold, `video` reads the
                   real clips that are cut in
    encode         frames -> a video file
    events         script -> events.json, as `gifcue-lab evaluate clips` reads it
    folder         the folder of a composition: the script, finished clips, locks
    run            all of this for a directory of photographs
"""
