"""From the rows of a study to numbers, figures, words and one HTML file."""
