"""Video files: the one file that touches PyAV, its checks, which frames to take, and how they are resized."""
