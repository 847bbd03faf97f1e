// The picture as it was drawn, stretched over the viewport.
uniform sampler2D picture; // colour, depth or normal times opacity, and opacity
uniform sampler2D palette; // colours of depth, near to far
uniform vec3 background;
uniform int mode;          // 0 colour (over the background already), 1 depth in red, 2 normal, 3 opacity

in vec2 uv;

layout (location = 0) out vec4 result;

void main() {
    vec4 drawn = texture(picture, uv);
    vec3 own = drawn.rgb / max(drawn.a, 0.004);
    vec3 shown = drawn.rgb;
    if (mode == 1) {
        shown = mix(background, texture(palette, vec2(clamp(own.r, 0.002, 0.998), 0.5)).rgb, drawn.a);
    } else if (mode == 2) {
        shown = mix(background, own, drawn.a);
    } else if (mode == 3) {
        shown = vec3(drawn.a);
    }
    result = vec4(shown, 1.0);
}
