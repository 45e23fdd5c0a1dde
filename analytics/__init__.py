"""Processing, insights, predictions and reports: not built yet. Heavy imports will stay in this package."""
