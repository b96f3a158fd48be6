"""A plugin of pytest: what comes with the tests and takes seconds to import, and none needs.

jsonschema prepares a grammar of international addresses wherever it finds one, which takes three
seconds of each process. No notebook names such an address.
"""

import sys

sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
