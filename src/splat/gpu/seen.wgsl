// What was gathered of a Gaussian since the last step of Adam.
struct Seen {
    // Views.
    times: u32,
    // Sum of the lengths of the gradients by the centre in the image.
    screen: f32,
    // Corrections of the moments' bias, for the step.
    first: f32,
    second: f32,
}

// What is kept of a Gaussian from step to step.
struct Tally {
    // Sum of the lengths of the gradients in the image, by half image widths.
    motion: f32,
    views: u32,
    // Steps of Adam.
    moves: u32,
    spare: u32,
}
