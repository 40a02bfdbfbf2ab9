"""Two linear heads on features of one's own, trained by cross-modal Rank-N-Contrast, and the order that they keep.

    python examples/rank_your_own.py

Features and labels are drawn here: put your own arrays in their place. It prints Kendall's tau before and after.
"""

import numpy as np
import torch
from torch import nn
from torch.nn.functional import normalize

from emotionrankclap.losses import rank_n_contrast, squared_label_distance
from emotionrankclap.measures import ordinal_consistency

torch.manual_seed(0)
rng = np.random.default_rng(0)
labels = rng.uniform(1, 7, (240, 2)).round(1)  # valence and arousal; the last 100 rows are for the test
features = [labels @ rng.normal(size=(2, 96)) + 3 * rng.normal(size=(240, 96)) for _ in ("speech", "text")]
speech, text = (torch.from_numpy(each).float() for each in features)  # (240, 96) each
heads = nn.ModuleList([nn.Linear(96, 32), nn.Linear(96, 32)])
distance = squared_label_distance(*[torch.from_numpy(labels[:140])] * 2)


def tau() -> float:
    """Do texts of ever more arousal find ever more aroused speech?"""
    pool, texts = heads[0](speech[140:]).detach().numpy(), heads[1](text[140:]).detach().numpy()
    arousal = labels[140:, 1]
    asked = arousal.argsort()[::7][None]  # one list of fifteen texts, from calm to active
    return ordinal_consistency(texts[asked], arousal[asked], pool, arousal).tau.item()


before, optimizer = tau(), torch.optim.Adam(heads.parameters(), lr=0.003)
for _ in range(60):
    ours, theirs = normalize(heads[0](speech[:140])), normalize(heads[1](text[:140]))
    optimizer.zero_grad()
    rank_n_contrast(ours @ theirs.T, distance).backward()
    optimizer.step()
print(f"Kendall's tau on the test part: {before:.3f} before, {tau():.3f} after")
