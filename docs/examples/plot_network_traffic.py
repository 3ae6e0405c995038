"""
Network traffic
===============

Connections of a network as rows of a table: protocol, service, duration and bytes. The detector learns normal
traffic, and flags three kinds of attack that it has never seen. The traffic is made up, in the manner of KDD99.
"""

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score

from egbad import EGBAD, TrainingConfig
from egbad.explain import group_explanations
from egbad.plot import score_histogram

# %%
# Each service has its own protocol, its usual amounts and its usual duration.

rng = np.random.default_rng(0)
SERVICES = pd.DataFrame(
    {
        "protocol": ["tcp", "tcp", "udp", "tcp"],
        "sent": [5.8, 7.5, 3.7, 6.9],
        "received": [8.3, 5.8, 4.9, 7.6],
        "seconds": [-0.5, 1.0, -4.0, 3.0],
    },
    index=["http", "smtp", "dns", "ssh"],
)


def connections(n, services=("http", "smtp", "dns", "ssh"), p=(0.55, 0.15, 0.25, 0.05)):
    """Return n normal connections."""
    service = rng.choice(services, n, p=p)
    usual = SERVICES.loc[service].reset_index(drop=True)
    size = rng.normal(scale=0.5, size=n)
    return pd.DataFrame(
        {
            "protocol": usual["protocol"],
            "service": service,
            "seconds": np.exp(usual["seconds"] + 0.6 * size + rng.normal(scale=0.4, size=n)).round(3),
            "bytes_sent": np.exp(usual["sent"] + 0.3 * size + rng.normal(scale=0.4, size=n)).astype(int),
            "bytes_received": np.exp(usual["received"] + size + rng.normal(scale=0.3, size=n)).astype(int),
            "failed_logins": rng.binomial(1, np.where(service == "ssh", 0.1, 0), n),
            "hosts_contacted": 1 + rng.poisson(1.5, n),
        }
    )


normal, new = connections(6000), connections(2000)
scan = connections(30, ["http"], [1]).assign(bytes_sent=0, bytes_received=0, seconds=0.0)
scan["hosts_contacted"] = rng.integers(40, 200, 30)
guessing = connections(20, ["ssh"], [1]).assign(failed_logins=rng.integers(3, 9, 20), seconds=2.0)
tunnel = connections(20, ["dns"], [1]).assign(bytes_sent=rng.integers(4000, 30000, 20))
attacks = {"port scan": scan, "password guessing": guessing, "tunnel in dns": tunnel}

rows = pd.concat([new, *attacks.values()], ignore_index=True)
kind = np.repeat(["normal", *attacks], [len(new), *map(len, attacks.values())])

# %%
# EGBAD learns the 6,000 normal connections; the types of the columns follow from the frame.

detector = EGBAD(training=TrainingConfig(steps=800), alpha=0.01, random_state=0).fit(normal)
scores = detector.anomaly_score(rows)
print(f"AUROC: {roc_auc_score(kind != 'normal', scores):.3f}")
print(
    f"average precision: {average_precision_score(kind != 'normal', scores):.3f}, base rate {np.mean(kind != 'normal'):.3f}"
)

groups = {name: scores[kind == name] for name in ("normal", *attacks)}
ax = score_histogram(groups, detector, density=True, log=True)
ax.set_title("Scores of new connections, each kind by itself")

# %%
# Flagged connections form groups by the columns that explain them. An analyst reads a few lines instead of a hundred.

flagged = rows[scores > detector.threshold_]
for group in group_explanations(detector.explain(flagged), max_groups=5):
    found = pd.Series(kind[flagged.index[group.rows]]).value_counts().to_dict()
    print(f"{', '.join(group.names) or 'others'}: {found}")
