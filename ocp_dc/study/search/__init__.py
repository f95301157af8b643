"""Search for recipes: values of config keys that lower validation errors, chosen by Optuna."""
