"""Attribution: six methods that show which pixels are evidence for a prediction, each with a test of its faithfulness.

    saliency               the gradient (Simonyan, Vedaldi & Zisserman 2014, section 3)
    deconvnet              the gradient, each ReLU passing back what is positive (Zeiler & Fergus 2014, section 2.1)
    guided                 both rules at once (Springenberg et al. 2015, section 3.4)
    gradcam                the maps of a layer, weighted by their mean gradient (Selvaraju et al. 2017, section 3)
    integrated_gradients   the gradient along the line from a gray image (Sundararajan, Taly & Yan 2017, section 3)
    occlusion              what the logit loses under a gray square (Zeiler & Fergus 2014, section 4.2); needs no gradient

Each attributes the logit of a class, y_c before the softmax, and is computed by captum. `explain` adds to a map what
`interpret.faithfulness` measures, so that a map that is not faithful is marked so.

    gradcam(net, image_CHW)                              # the class map, h x w of the layer
    explain(model, "one.jpg", method="gradcam").why      # an image as path, bytes or uint8 array
"""

from striate.interpret.attribution.autograd_graph import spatial_layer
from striate.interpret.attribution.judged_maps import Explanation, Explanations, explain, explain_all, heat
from striate.interpret.attribution.methods import METHODS, deconvnet, gradcam, guided, integrated_gradients, occlusion, saliency

__all__ = [
    "METHODS", "Explanation", "Explanations", "deconvnet", "explain", "explain_all", "gradcam", "guided", "heat",
    "integrated_gradients", "occlusion", "saliency", "spatial_layer",
]  # fmt: skip
