//! Stage 2: two-dimensional masks, from the embedded geometric segmenter or from files.
