// The picture as it was drawn, stretched over the viewport.
uniform sampler2D picture;

in vec2 uv;

layout (location = 0) out vec4 result;

void main() {
    result = vec4(texture(picture, uv).rgb, 1.0);
}
