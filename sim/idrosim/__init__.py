"""The simulated greenhouse: stands in for the hardware under the real firmware."""
