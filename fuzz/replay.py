"""What each file says when read again in a process of its own: `python fuzz/replay.py FILE...`."""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

if len(sys.argv) > 2:
    for name in sys.argv[1:]:
        subprocess.run([sys.executable, __file__, name], check=False)
else:
    from readers import examine

    told = examine(Path(sys.argv[1]).read_bytes(), Path(tempfile.mkdtemp()))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    seconds = time.process_time()
    print(f"{sys.argv[1]}: {seconds:.2f} s of the processor, {peak} MB, {told or 'well'}")
