//! 3D Gaussians: rasterise, differentiate, train, render, read and write.
