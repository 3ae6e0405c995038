"""
Reviews of flags set the threshold anew
=======================================

People review what a model flags. Their answers measure the precision of the flags, and set a threshold for the
false-alarm rate that they can bear. This needs ``pip install 'egbad[serve]'``, whose store keeps scores and reviews
in a SQLite file.
"""

import json
import tempfile
from datetime import UTC, datetime, timedelta

import numpy as np

from egbad.detectors import KNN
from egbad.plot import score_histogram
from egbad.service.store import ItemFilter, ScoredItem, open_store
from egbad.service.store.reviews import measured_precision, threshold_for_false_alarms

# %%
# The model learned from January. Its normal rows were narrower than those of March, so that it flags too much: 3
# percent of normal rows.

rng = np.random.default_rng(0)
detector = KNN(alpha=0.01, random_state=0).fit(rng.normal(size=(3000, 2)))
X = np.vstack([rng.normal(scale=1.15, size=(3000, 2)), rng.normal(loc=4.2, scale=0.5, size=(25, 2))])
is_anomaly = np.arange(len(X)) >= 3000
order = rng.permutation(len(X))
X, is_anomaly = X[order], is_anomaly[order]
scores, p_values = detector.anomaly_score(X), detector.p_value(X)
flagged = scores > detector.threshold_
print(f"flagged: {flagged.sum()}, of them normal: {(flagged & ~is_anomaly).sum()}")

# %%
# A service stores every score. ``append`` returns a future that resolves when all is on the disk.

folder = tempfile.TemporaryDirectory()
store = open_store(f"{folder.name}/reviews.db", keep=True, retention=timedelta(days=90))
items = [
    ScoredItem(
        time=datetime.now(UTC),
        request_id="march",
        model="machine",
        version="1",
        digest="january",
        key=f"row {i}",
        score=float(score),
        p_value=float(p),
        flagged=bool(flag),
        alpha=detector.alpha,
        payload=json.dumps(row).encode(),
        media_type="application/json",
    )
    for i, (row, score, p, flag) in enumerate(zip(X.tolist(), scores, p_values, flagged, strict=True))
]
store.append(items).result()

# %%
# An expert works through the queue and confirms the real anomalies.

confirmed = dismissed = 0
while page := store.queue("score", limit=50).items:
    for stored in page:
        is_real = is_anomaly[int(stored.item.key.split()[1])]
        store.review(stored.id, "confirmed" if is_real else "dismissed", "ann")
        confirmed, dismissed = confirmed + is_real, dismissed + (not is_real)

precision = measured_precision(int(confirmed), int(dismissed))
print(f"precision: {precision.share:.0%}, 95 percent interval {precision.low:.0%} to {precision.high:.0%}")

# %%
# The lowest threshold that flags at most 0.4 percent of normal rows, by the reviews.

found = threshold_for_false_alarms(store.score_groups(ItemFilter(digest="january")), rate=0.003)
print(f"threshold: {detector.threshold_:.3f} before, {found.threshold:.3f} by the reviews")

again = np.vstack([rng.normal(scale=1.15, size=(5000, 2)), rng.normal(loc=4.2, scale=0.5, size=(40, 2))])
new_scores, new_anomaly = detector.anomaly_score(again), np.arange(5040) >= 5000
limits = {}
for name, limit in (("before", detector.threshold_), ("by reviews", found.threshold)):
    rate = (new_scores[~new_anomaly] > limit).mean()
    caught = (new_scores[new_anomaly] > limit).mean()
    limits[f"{name}: {rate:.1%} false, {caught:.0%} found"] = limit
ax = score_histogram(new_scores, limits, anomalous=new_anomaly, log=True)
ax.set(yscale="log", title="Rows of April")
store.close()
folder.cleanup()
