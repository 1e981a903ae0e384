"""The workbench (one hospital's cohort, ready to learn from), fit, folds, prediction, evaluation."""

from wardround.engine.cohort import Folds, chosen_splits
from wardround.engine.experiments.ensemble import Combine, Ensemble, load_ensemble
from wardround.engine.experiments.estimate import Estimate, estimate
from wardround.engine.experiments.evaluation import evaluate_cohort, folder_predictor, model_predictor
from wardround.engine.experiments.fit import RunResult, fit
from wardround.engine.experiments.folds import Leaderboard, fit_splits
from wardround.engine.experiments.models import TrainedModel, load_model
from wardround.engine.experiments.prediction import predict_case, write_predictions
from wardround.engine.experiments.workbench import Survey, Workbench

__all__ = [
    "Combine",
    "Ensemble",
    "Estimate",
    "Folds",
    "Leaderboard",
    "RunResult",
    "Survey",
    "TrainedModel",
    "Workbench",
    "chosen_splits",
    "estimate",
    "evaluate_cohort",
    "fit",
    "fit_splits",
    "folder_predictor",
    "load_ensemble",
    "load_model",
    "model_predictor",
    "predict_case",
    "write_predictions",
]
