"""One tool call after another: read from the answer, judged, carried out, noted; and what follows when all are done."""
