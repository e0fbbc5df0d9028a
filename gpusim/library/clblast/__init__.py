"""CLBlast 1.5.3: its parameters per device, its GEMM and im2col, and convolutions made of them."""
