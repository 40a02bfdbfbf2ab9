"""The captioner's words of valence: a line of each table is a grade, 0.5, 1.0 … 7.0 from the top.

A wording stands on one line only. Choice and grades are this project's own; `benchmarks/captions.py` compares
them with published ratings, of which none is in here.
"""

from __future__ import annotations

from pipeline.captions.scales import read_moods, read_scale

TONE = read_scale("""
    tortured, agonised, soul-destroying, hellish, traumatised
    stricken, pained, grim, dismal, doleful
    aching, wounded, tragic, sullen, forlorn
    glum, morose, harsh, unpleasant, dreary
    sombre, joyless, bleak, sour, strained
    disapproving, dull, grudging, stern, heavy
    aloof, dry, guarded, noncommittal, unsmiling
    neutral, plain, impassive, unemotional, businesslike
    civil, obliging, receptive, mildly pleasant, polished
    pleasant, agreeable, amiable, cordial, courteous
    warm, kindly, affable, welcoming, considerate
    bright, cheerful, very warm, affectionate, merry
    sunny, radiant, richly warm, charming, adoring
    heavenly, exquisite, magical, glorious, angelic
""")
"""Adjectives for a tone."""

TRACE = read_scale("""
    is drenched in agony, is torn to pieces, is choked with tears, cries of ruin
    is steeped in woe, is weighed down by suffering, speaks of an irreparable loss, is stained with weeping
    is laden with hurt, betrays deep discontent, carries a sting, is tinged with dread
    has a hard edge, lets some hurt slip out, grates on the ear, sits under a cloud
    suggests low spirits, lacks any cheer, is far from a smile, lies in shadow
    is a little stiff, hints at dissatisfaction, gives a slight chill, lacks conviction
    remains at a slight distance, holds something back, stands off a little, stops short of warmth
    is free of feeling, gives nothing away, only informs, takes no side
    remains polite, shows a little kindness, is ready to lend a hand, is meant to help
    is well disposed, is touched by goodwill, invites a reply, is easy to enjoy
    is close to a smile, is lit by good humour, offers encouragement, is straight from the heart
    wears a broad smile, is alive with pleasure, has a laugh close by, lifts the spirits
    shines with elation, brims with gaiety, sings of good fortune, twinkles with glee
    overflows with rapture, is filled with wonder, tells of wishes granted, speaks of paradise
""")
"""What each word does."""

TEMPER = read_scale("""
    despairingly, hopelessly, excruciatingly
    grievously, wretchedly, inconsolably
    sadly, unhappily, mournfully
    bitterly, gloomily, painfully
    dejectedly, disconsolately, dispiritedly
    reluctantly, uneasily, unenthusiastically
    reservedly, doubtfully, warily
    dispassionately, impersonally, matter-of-factly
    acceptingly, tactfully, correctly
    amicably, approvingly, favourably
    gladly, hopefully, generously
    happily, fondly, tenderly
    joyfully, lovingly, gratefully
    blissfully, divinely, in perfect joy
""")
"""Adverbs for how it is meant."""

FELLOW = read_scale("""
    someone who has lost everything, someone with no reason to go on, someone condemned to death
    someone at a graveside, someone who has just lost a friend, someone betrayed by their own family
    someone deeply wronged, someone nursing an injury, someone who has been insulted
    someone whose plans have collapsed, someone let down badly, someone with a grudge
    someone on a bad day, someone with little to look forward to, someone who expected better
    someone facing a chore, someone with a slight headache, someone not quite convinced
    someone withholding judgement, someone yet to be persuaded, someone standing aside
    someone filling in a form, someone reading out figures, someone with no stake in the outcome
    someone willing to listen, someone being helpful, someone offered a seat
    someone among acquaintances, someone on a nice day out, someone greeting a neighbour
    someone sharing a good meal, someone with good news, someone safely back from a journey
    someone on a long-awaited holiday, someone praised by a teacher, someone hugging an old companion
    someone on their wedding day, someone whose wish has been granted, someone holding their newborn
    someone walking on air, someone with all they ever longed for, someone reunited with their child
""")
"""Who sounds so."""

MOOD = read_moods("""
    utter despair, numb hopelessness, crushing emptiness | utter misery, torment, devastation             | blind rage, sheer terror, murderous hatred
    desolation, deep grief, bereavement                  | anguish, wretchedness, heartbreak              | fury, panic, horror
    sadness, grief, loneliness                           | unhappiness, distress, humiliation             | anger, hostility, loathing
    sorrow, gloom, defeat                                | resentment, bitterness, shame                  | outrage, frustration, fright
    melancholy, dejection, boredom                       | disappointment, displeasure, envy              | alarm, exasperation, apprehension
    weariness, regret, disenchantment                    | unease, mild annoyance, misgiving              | irritation, tension, nervousness
    wistfulness, reserve, resignation                    | doubt, mild scepticism, hesitation             | impatience, restlessness, fidgetiness
    detachment, mere attention, blankness                | matter-of-factness, impartiality, objectivity  | alertness, vigilance, watchfulness
    composure, acceptance, mild relief                   | mild interest, openness, tolerance             | curiosity, keen interest, anticipation
    ease, trust, relief                                  | approval, confidence, cooperation              | eagerness, amusement, zest
    contentment, hopefulness, comfort                    | gladness, optimism, friendliness               | enthusiasm, playfulness, mirth
    tenderness, deep satisfaction, peace of mind         | happiness, lightheartedness, thankfulness      | excitement, exuberance, hilarity
    deep contentment, serene gratitude, deep fulfilment  | joy, delight, love                             | exhilaration, jubilation, triumph
    bliss, perfect peace, sublime serenity               | pure joy, boundless happiness, endless delight | ecstasy, euphoria, delirious happiness
""")  # noqa: E501
"""What is felt when calm, evenly roused or lively."""

FEELING = read_moods("""
    utterly hopeless, crushed, dead inside                | devastated, tormented, broken                     | enraged, terrified, murderous
    desolate, inconsolable, bereft                        | miserable, wretched, heartbroken                  | furious, panicked, horrified
    sad, mournful, lonely                                 | unhappy, distressed, humiliated                   | angry, hostile, disgusted
    sorrowful, gloomy, defeated                           | resentful, embittered, ashamed                    | outraged, frustrated, frightened
    melancholy, downcast, bored                           | disappointed, displeased, envious                 | alarmed, exasperated, apprehensive
    weary, regretful, disenchanted                        | uneasy, mildly annoyed, put out                   | irritated, tense, nervous
    wistful, reserved, resigned                           | doubtful, mildly sceptical, hesitant              | impatient, restless, fidgety
    detached, merely attentive, blank                     | matter-of-fact, impartial, objective              | alert, watchful, vigilant
    composed, accepting, mildly relieved                  | mildly interested, open-minded, tolerant          | curious, keenly interested, expectant
    at ease, trusting, relieved                           | approving, confident, cooperative                 | eager, amused, zestful
    contented, hopeful, comfortable                       | glad, optimistic, friendly                        | enthusiastic, playful, mirthful
    tender, deeply satisfied, at peace                    | happy, lighthearted, thankful                     | excited, exuberant, exultant
    deeply contented, serenely grateful, deeply fulfilled | joyful, delighted, loving                         | exhilarated, jubilant, triumphant
    blissful, perfectly peaceful, sublimely serene        | overjoyed, boundlessly happy, endlessly delighted | ecstatic, euphoric, deliriously happy
""")  # noqa: E501
"""How a person sounds who is calm, evenly roused or lively."""
