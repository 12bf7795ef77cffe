"""ManiSkill and SAPIEN behind one small face. Nothing outside this package imports either of them."""
