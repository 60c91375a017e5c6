"""What others need to judge recordings, in one place."""

from model.artifact import ModelError, load_model, save_model
from model.estimator import Detector
from model.verdict import Model, Verdict

__all__ = ["Detector", "Model", "ModelError", "Verdict", "load_model", "save_model"]
