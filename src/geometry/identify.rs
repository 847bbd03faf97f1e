//! What a model file is good for here.

use super::{depth_model, sfm::learned};
use crate::models::{ModelError, Signature, hints};
use std::path::Path;

/// The family that an ONNX file is recognised as by its inputs and outputs, in the words of `models/catalogue.toml`;
/// `None` where no part of this program can use it.
pub fn identify(model: &Path) -> Result<Option<&'static str>, ModelError> {
    let (signature, hints) = (Signature::read(model)?, hints(model)?);
    if let Some(family) = learned::recognise(&signature) {
        return Ok(Some(match family {
            learned::Family::XFeat => "xfeat",
            learned::Family::Extractor => "extractor",
            learned::Family::Matcher => "matcher",
            learned::Family::Pairwise => "pairwise",
        }));
    }
    Ok(depth_model::recognise(&signature, &hints).map(|(family, _)| match family {
        depth_model::Family::AnyView => "any-view",
        depth_model::Family::Single3 => "single-3",
        depth_model::Family::Single2 => "single-2",
        depth_model::Family::Moge => "moge",
        depth_model::Family::Vggt => "vggt",
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::testing::test_model;
    use crate::models::{catalogue, onnx_files};
    use std::collections::BTreeSet;

    #[test]
    fn every_family_of_the_catalogue_is_recognised_and_the_other_way_round() {
        let files = onnx_files(&test_model(""));
        let mut found: BTreeSet<&str> = files.iter().filter_map(|f| identify(&f.path).unwrap()).collect();
        // A matcher is no source of its own: it goes with an extractor.
        assert!(found.remove("matcher"));
        let mut roles = catalogue().unwrap();
        roles.retain(|r| ["poses", "features", "depth"].contains(&r.role.as_str()));
        let listed: BTreeSet<&str> =
            roles.iter().flat_map(|r| &r.sources).filter_map(|s| s.family.as_deref()).collect();
        assert_eq!(found, listed);
        assert_eq!(identify(&test_model("classifier.onnx")).unwrap(), None);
    }
}
