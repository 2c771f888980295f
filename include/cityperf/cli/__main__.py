import sys

from cityperf.cli import main

sys.exit(main())
