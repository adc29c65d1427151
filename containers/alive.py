"""Say by the exit code whether a server answers: `alive.py ADDRESS`."""

import sys
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

try:
    urlopen(sys.argv[1], timeout=4).close()
except HTTPError as answered:
    sys.exit(answered.code >= 500)
except (URLError, OSError):
    sys.exit(1)
