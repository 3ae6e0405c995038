"""``python -m egbad`` is the command line."""

import sys

from egbad.cli import main

sys.exit(main())
