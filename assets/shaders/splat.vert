// One quad per Gaussian: its 3D covariance is projected to the picture (EWA splatting, Zwicker et al. 2002, eq. 31),
// and the quad spans the ellipse outside of which it changes less than 1/255.
uniform sampler2D splats; // three texels per Gaussian: mean and opacity; covariance xx xy xz yy; covariance yz zz
uniform mat4 view;        // world to camera, OpenCV axes
uniform vec4 lens;        // fx, fy, cx, cy in pixels of the target
uniform vec2 size;        // of the target in pixels
uniform float near;       // nearer than this is not drawn
uniform int antialiased;  // whether opacity falls by as much as the blur widens (Mip-Splatting, eq. 8)
uniform float blur;       // variance in square pixels that every splat gets, so that none falls between pixels

in vec2 corner;  // -1 or 1
in uint index;   // which Gaussian
in uvec4 color;  // RGB, 0 to 255

out vec2 offset; // from the centre, in standard deviations
out vec4 rgba;

const int PER_ROW = 1024;

void main() {
    gl_Position = vec4(0.0, 0.0, 2.0, 1.0); // outside: not drawn
    offset = vec2(0.0);
    rgba = vec4(0.0);
    int i = int(index);
    // three-d stores the rows of a texture upside down.
    ivec2 at = ivec2((i % PER_ROW) * 3, textureSize(splats, 0).y - 1 - i / PER_ROW);
    vec4 mean = texelFetch(splats, at, 0);
    vec4 ca = texelFetch(splats, at + ivec2(1, 0), 0);
    vec4 cb = texelFetch(splats, at + ivec2(2, 0), 0);
    vec3 p = (view * vec4(mean.xyz, 1.0)).xyz;
    if (p.z < near || 255.0 * mean.w <= 1.0) {
        return;
    }
    mat3 covariance = mat3(ca.x, ca.y, ca.z, ca.y, ca.w, cb.x, ca.z, cb.x, cb.y);
    // The perspective is linearised at the mean, or at the edge of the picture for means far outside of it.
    vec2 limit = 0.65 * size / lens.xy;
    vec2 tangent = clamp(p.xy / p.z, -limit, limit);
    vec3 right = vec3(view[0][0], view[1][0], view[2][0]);
    vec3 down = vec3(view[0][1], view[1][1], view[2][1]);
    vec3 ahead = vec3(view[0][2], view[1][2], view[2][2]);
    vec3 u = (right - ahead * tangent.x) * (lens.x / p.z);
    vec3 v = (down - ahead * tangent.y) * (lens.y / p.z);
    vec3 cu = covariance * u;
    vec3 cv = covariance * v;
    float a = dot(u, cu) + blur;
    float b = dot(v, cu);
    float c = dot(v, cv) + blur;
    float opacity = mean.w;
    if (antialiased != 0) {
        float narrow = (a - blur) * (c - blur) - b * b;
        opacity *= sqrt(max(narrow / (a * c - b * b), 0.000025));
    }
    float reach2 = 2.0 * log(255.0 * opacity);
    if (reach2 <= 0.0) {
        return;
    }
    // Axes of the ellipse: eigenvectors of [a b; b c].
    float middle = 0.5 * (a + c);
    float radius = length(vec2(0.5 * (a - c), b));
    float l1 = middle + radius;
    float l2 = max(middle - radius, 0.1 * blur);
    vec2 axis = abs(b) > 1e-6 * middle ? normalize(vec2(b, l1 - a)) : (a >= c ? vec2(1.0, 0.0) : vec2(0.0, 1.0));
    offset = corner * sqrt(reach2);
    vec2 shift = axis * (sqrt(l1) * offset.x) + vec2(-axis.y, axis.x) * (sqrt(l2) * offset.y);
    vec2 pixel = lens.xy * p.xy / p.z + lens.zw + shift;
    rgba = vec4(vec3(color.rgb) / 255.0, opacity);
    gl_Position = vec4(2.0 * pixel.x / size.x - 1.0, 1.0 - 2.0 * pixel.y / size.y, 0.0, 1.0);
}
