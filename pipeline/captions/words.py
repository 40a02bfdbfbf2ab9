"""The captioner's words: a line of each table is a grade of valence or arousal, 0.5, 1.0 … 7.0 from the top.

The words of arousal say how the voice moves and not how the person feels, so that any of them goes with any
mood. Every word stands on one line of its table only, so that a step of one grade changes the wording.
"""

from __future__ import annotations

GRADES = tuple(0.5 * step for step in range(1, 15))
"""Where on the scale of the labels each line of a table stands."""

Grade = tuple[str, ...]
"""Words of one meaning."""

CALM, EVEN, LIVELY = range(3)
"""The columns of a mood table."""


def _lines(table: str) -> list[str]:
    lines = [line.strip() for line in table.strip().splitlines()]
    if len(lines) != len(GRADES):
        raise ValueError(
            f"a table of words must have {len(GRADES)} lines, found {len(lines)}: {lines[0]!r} …"
        )
    return lines


def _words(cell: str) -> Grade:
    return tuple(word.strip() for word in cell.split(","))


def _scale(table: str) -> tuple[Grade, ...]:
    return tuple(_words(line) for line in _lines(table))


def _moods(table: str) -> tuple[tuple[Grade, ...], ...]:
    return tuple(tuple(_words(cell) for cell in line.split("|")) for line in _lines(table))


# Arousal.

VOICE = _scale("""
    barely audible, nearly silent, almost inaudible
    whispered, whispery, drowsy
    hushed, faint, sleepy
    very soft, muffled, languid
    soft, murmuring, hazy
    quiet, muted, subdued
    relaxed, restrained, unforced
    steady, even, level
    clear, conversational, quite firm
    full, firm, vivid
    strong, animated, spirited
    loud, forceful, charged
    very loud, booming, piercing
    thunderous, full-throated, deafening
""")
"""Adjectives for a voice or a delivery."""

PACE = _scale("""
    glacial, exceedingly slow, snail-like
    extremely slow, crawling, trance-like
    very slow, drawn-out, lingering
    slow, drifting, dawdling
    rather slow, leisurely, lazy
    unhurried, unrushed, sedate
    measured, ambling, deliberate
    moderate, regular, ordinary
    fluid, flowing, smoothly moving
    brisk, quickened, nimble
    quick, lively, bustling
    fast, rapid, hurried
    very fast, racing, headlong
    breakneck, frantic, frenzied
""")
"""Adjectives for a pace."""

ENERGY = _scale("""
    no energy at all, no trace of intensity, no vigour whatsoever
    almost no energy, scarcely any intensity, next to no vigour
    very little energy, minimal intensity, hardly any vigour
    little energy, slight intensity, little vigour
    low energy, limited intensity, sparing vigour
    contained energy, dampened intensity, modest vigour
    mild energy, light intensity, tempered vigour
    middling energy, medium intensity, average vigour
    some energy, a fair amount of intensity, a certain vigour
    noticeable energy, marked intensity, definite vigour
    high energy, heightened intensity, plenty of vigour
    very high energy, great intensity, great vigour
    enormous energy, extreme intensity, tremendous vigour
    explosive energy, all-out intensity, overwhelming vigour
""")
"""What a person speaks with."""

MELODY = _scale("""
    completely flat, motionless
    almost flat, nearly unmoving
    very flat, barely changing
    rather flat, scarcely changing
    slightly flat, little-changing
    softly moving, faintly varied
    slightly varied, gently undulating
    modestly varied, naturally moving
    fairly varied, flexible
    varied, rising and falling
    expressive, swinging
    strongly varied, leaping
    very high and leaping, sharply jumping
    wildly leaping, wildly swinging
""")
"""Adjectives for an intonation or a pitch."""

# Valence.

TONE = _scale("""
    utterly bleak, harrowing, tortured
    bleak, aching, stricken
    grim, pained, acrid
    dark, sour, heavy
    sombre, dreary, joyless
    strained, cool, disapproving
    slightly cool, guarded, dry
    neutral, plain, impassive
    civil, courteous, mildly pleasant
    pleasant, agreeable, amiable
    warm, kindly, good-natured
    bright, cheerful, very warm
    sunny, glowing, richly warm
    radiant, beaming, heavenly
""")
"""Adjectives for a tone."""

TRACE = _scale("""
    is drenched in agony, is heavy with heartbreak
    is steeped in woe, is weighed down by suffering
    is full of hurt, betrays deep discontent
    has a hard edge, lets some hurt through
    suggests low spirits, lacks any cheer
    is a little stiff, hints at dissatisfaction
    stays at a slight distance, holds something back
    is free of feeling, gives nothing away
    remains polite, shows a little kindness
    sounds well disposed, is touched by goodwill
    has a smile behind it, is lit by good humour
    comes with a broad smile, is full of pleasure
    shines with elation, brims with cheer
    overflows with rapture, is filled with wonder
""")
"""What each word does."""

MOOD = _moods("""
    utter despair, numb hopelessness    | utter misery, torment               | blind rage, sheer terror
    desolation, deep grief              | anguish, wretchedness               | fury, panic
    sorrow, grief                       | bitterness, distress                | anger, alarm
    sadness, gloom                      | resentment, unhappiness             | outrage, hostility
    melancholy, dejection               | disappointment, displeasure         | frustration, exasperation
    weariness, mild regret              | unease, mild annoyance              | irritation, tension
    wistfulness, reserve                | doubt, mild scepticism              | impatience, restlessness
    detachment, quiet attention         | matter-of-factness, impartiality    | alertness, wakefulness
    composure, quiet acceptance         | mild interest, openness             | curiosity, keen interest
    ease, comfort                       | friendliness, approval              | eagerness, amusement
    contentment, quiet hope             | gladness, optimism                  | enthusiasm, playfulness
    tenderness, full satisfaction       | happiness, lightheartedness         | excitement, exuberance
    deep contentment, serene gratitude  | joy, delight                        | exhilaration, jubilation
    bliss, perfect peace                | pure joy, boundless happiness       | ecstasy, euphoria
""")
"""What is felt when calm, evenly roused or lively."""

FEELING = _moods("""
    utterly hopeless, crushed           | devastated, tormented               | enraged, terrified
    desolate, despondent                | miserable, wretched                 | furious, panicked
    sorrowful, mournful                 | embittered, distressed              | angry, alarmed
    sad, gloomy                         | unhappy, resentful                  | outraged, hostile
    melancholy, downcast                | disappointed, displeased            | frustrated, exasperated
    weary, rueful                       | uneasy, mildly annoyed              | irritated, tense
    wistful, reserved                   | doubtful, mildly sceptical          | impatient, restless
    detached, quietly attentive         | matter-of-fact, impartial           | alert, wide awake
    composed, quietly accepting         | mildly interested, open-minded      | curious, keenly interested
    comfortable, unworried              | friendly, approving                 | eager, amused
    contented, quietly hopeful          | glad, optimistic                    | enthusiastic, playful
    tender, fully satisfied             | happy, lighthearted                 | excited, exuberant
    deeply contented, serenely grateful | joyful, delighted                   | exhilarated, jubilant
    blissful, perfectly peaceful        | overjoyed, boundlessly happy        | ecstatic, euphoric
""")
"""How a person sounds who is calm, evenly roused or lively."""
