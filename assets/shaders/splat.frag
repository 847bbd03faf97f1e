// Premultiplied colour of a Gaussian; drawn back to front.
in vec2 offset;
in vec4 rgba;

layout (location = 0) out vec4 result;

void main() {
    float alpha = min(0.99, rgba.a * exp(-0.5 * dot(offset, offset)));
    if (alpha < 1.0 / 255.0) {
        discard;
    }
    result = vec4(rgba.rgb * alpha, alpha);
}
