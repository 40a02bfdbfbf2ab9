"""The captioner's words of arousal: a line of each table is a grade, 0.5, 1.0 … 7.0 from the top.

They say how the voice moves and not how the person feels, so that any of them goes with any mood. A wording
stands on one line only. Choice and grades are this project's own; `benchmarks/captions.py` compares them with
published ratings, of which none is in here.
"""

from __future__ import annotations

from pipeline.captions.scales import read_scale

VOICE = read_scale("""
    barely audible, nearly silent, almost inaudible, all but mute, breath-thin
    whispered, drowsy, slumbering, somnolent, mumbled
    hushed, faint, feathery, muted, dozy
    very soft, quiet, languid, hazy, muffled
    soft, slack, relaxed, low-key, murmuring
    subdued, placid, lowered, understated, undramatic
    steady, level, unforced, unstrained, loose
    even, clear, conversational, workaday, mid-volume
    quite firm, crisp, projected, sonorous, direct
    full, firm, vivid, robust, resounding
    strong, animated, rousing, emphatic, ringing
    loud, booming, pounding, dynamic, charged
    very loud, shouted, piercing, blaring, stormy
    thunderous, full-throated, deafening, roaring, ear-splitting
""")
"""Adjectives for a voice or a delivery."""

PACE = read_scale("""
    glacial, exceedingly slow, snail-like, all but halted, near-stationary
    extremely slow, crawling, trance-like, torpid, inert
    very slow, drawn-out, plodding, sluggish, tortoise-like
    slow, drifting, dawdling, trudging, dallying
    rather slow, leisurely, lazy, strolling, lulling
    unhurried, unrushed, sedate, sauntering, patient
    measured, ambling, deliberate, equable, stately
    moderate, regular, usual, standard, unexceptional
    fluid, flowing, smoothly moving, supple, nimble
    brisk, quickened, trotting, purposeful, bustling
    quick, lively, swift, snappy, zippy
    fast, rapid, hurried, speedy, galloping
    very fast, racing, headlong, rushing, hurtling
    breakneck, frantic, frenzied, whirlwind, lightning-fast
""")
"""Adjectives for a pace."""

ENERGY = read_scale("""
    no energy at all, no trace of intensity, no vigour whatsoever, not a flicker of drive, no force whatever
    almost no energy, scarcely any intensity, next to no vigour, practically no drive, barely a spark of force
    very little energy, minimal intensity, hardly any vigour, precious little drive, the least of force
    little energy, slight intensity, little vigour, not much drive, scant force
    low energy, limited intensity, sparing vigour, reduced drive, weak force
    contained energy, dampened intensity, modest vigour, reined-in drive, lessened force
    mild energy, tame intensity, tempered vigour, undemanding drive, rationed force
    middling energy, medium intensity, average vigour, an average amount of drive, balanced force
    some energy, a decent amount of intensity, a certain vigour, a passable measure of drive, a degree of force
    noticeable energy, marked intensity, definite vigour, real drive, tangible force
    high energy, heightened intensity, plenty of vigour, ample drive, sizeable force
    very high energy, great intensity, great vigour, powerful drive, electric force
    enormous energy, extreme intensity, tremendous vigour, relentless drive, massive force
    explosive energy, all-out intensity, overwhelming vigour, unstoppable drive, volcanic force
""")
"""What a person speaks with."""

MELODY = read_scale("""
    completely flat, motionless, frozen, wholly unvarying
    almost flat, nearly unmoving, near-monotone, stilled
    very flat, barely changing, monotone, unmodulated
    rather flat, scarcely changing, confined, low-lying
    slightly flat, little-changing, unaccented, gently sloping
    calmly moving, thinly varied, smoothed-out, shallow
    slightly varied, undulating, rolling, somewhat inflected
    modestly varied, unremarkable, typical, normally inflected
    fairly varied, flexible, well-inflected, bending
    varied, rising and falling, well-accented, curving
    expressive, swinging, boldly accented, bouncing
    widely varied, leaping, far-ranging, springing
    sharply jumping, lurching, sharply climbing, zigzagging
    wildly leaping, wildly swinging, soaring and plunging, rocketing
""")
"""Adjectives for an intonation or a pitch."""

GAIT = read_scale("""
    noiselessly, almost mutely, imperceptibly
    under the breath, drowsily, somnolently
    dozily, sluggishly, in an undertone
    languidly, quietly, slowly
    softly, lazily, slackly
    placidly, unhurriedly, undramatically
    loosely, deliberately, steadily
    evenly, regularly, clearly
    fluently, articulately, crisply
    briskly, firmly, actively
    quickly, animatedly, swiftly
    loudly, rapidly, dynamically
    stormily, headlong, at full stretch
    thunderously, frenetically, frantically
""")
"""Adverbs for the way of speaking."""

DELIVERY = read_scale("""
    barely moving the lips, letting hardly a puff escape, scarcely reaching the nearest ear
    drifting off between the lines, barely shaping the lines, never rising above a rustle
    letting the lines dwindle, yawning along, hardly stirring
    letting the volume sink, dwelling on the pauses, settling down after the lines
    leaving lengthy pauses, taking all the time there is, easing from line to line
    keeping the volume down, making no haste, pausing often
    saving strength for later, keeping well within limits, rounding off the lines
    talking as people do, stressing only what needs it, pausing where commas fall
    getting on without a hitch, leaning in a little, stressing one or two points
    picking up speed, giving the lines a punch, pressing onwards
    hitting every stress, striding along, pushing the lines out
    raising the volume, firing off lines, bringing every stress home
    bellowing the lines out, dashing from line to line, hammering every stress
    bursting with volume, blasting the lines out, charging along at top speed
""")
"""Participles: what the person does in speaking so."""

LIKENESS = read_scale("""
    someone deep in sleep, a radio turned down to nothing, a machine on standby
    someone talking in their sleep, a rustle in a library at night, a sleeper half woken
    someone just nodding off, a lullaby almost over, someone barely awake
    someone about to nap, a tap that drips now and then, someone sunk in an armchair
    someone on an idle afternoon, a stream that hardly moves, someone stretched out on a sofa
    someone at rest, a ceiling fan on low, someone out for a wander
    someone with time to spare, a clock in the hall, someone reading aloud at bedtime
    someone giving the time of day, a clerk reading out an address, someone going through a list
    someone explaining a route, a host starting a meeting, someone walking at a smart clip
    someone on their third coffee, a presenter hitting their stride, someone giving directions from a passing car
    someone hailing a cab, a drummer finding the beat, an auctioneer getting going
    someone running as they talk, a commentator in a tight match, someone talking over a crowd
    someone yelling over an engine, a drill sergeant on parade, an auctioneer in overdrive
    someone outshouting a storm, a siren at its peak, an engine at maximum throttle
""")
"""What a way of speaking is like."""
