"""From a trained generator to a small one: what the teacher draws, and the student's size."""
