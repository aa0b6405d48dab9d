"""One technique a file: what makes a trained model cheaper."""
