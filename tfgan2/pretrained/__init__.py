"""Networks whose weights others have trained on ImageNet, and never trained further here."""
