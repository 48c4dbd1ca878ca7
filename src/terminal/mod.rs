//! Both streams, colour, width, prompt, bar, interrupts: the one room that prints.
