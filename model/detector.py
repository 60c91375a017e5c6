"""What others need to judge recordings, in one place; training needs more."""

from model.artifact import load_model, save_model
from model.errors import ModelError
from model.verdict import Model, Verdict

__all__ = ["Model", "ModelError", "Verdict", "load_model", "save_model"]
