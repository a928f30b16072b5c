"""Pure maths of diffusion: noise schedules, timestep conditions (E-TSDM), losses. No input or output."""
