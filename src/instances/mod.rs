//! Stage 3: masks lifted to 3D, merged across views, boxed, scored, captioned.
