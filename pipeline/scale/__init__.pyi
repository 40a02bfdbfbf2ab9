# What other rooms use of this one; each name is imported when it is first asked for.

from .parts import extract_part as extract_part, plan_part as plan_part
from .ray_evaluation import evaluate_on_ray as evaluate_on_ray
from .ray_extraction import RayCluster as RayCluster, on_ray_cluster as on_ray_cluster
from .ray_training import train_on_ray as train_on_ray
