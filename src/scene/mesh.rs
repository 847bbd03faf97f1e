//! Triangle meshes.

/// An indexed triangle mesh with a colour and a normal per vertex.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TriMesh {
    /// Vertex positions in the world.
    pub positions: Vec<[f32; 3]>,
    /// Unit normals, pointing out of the surface towards free space.
    pub normals: Vec<[f32; 3]>,
    /// sRGB colours.
    pub colors: Vec<[u8; 3]>,
    /// Vertex indices, counter-clockwise seen from free space.
    pub triangles: Vec<[u32; 3]>,
}
