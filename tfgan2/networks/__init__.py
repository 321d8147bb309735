"""Generators and discriminators that several flavours share."""
