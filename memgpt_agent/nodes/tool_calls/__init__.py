"""Tool calls, one after another: read from the answer, judged, run and noted; and what follows them."""
