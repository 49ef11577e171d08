from stand_in import stand_in_for

stand_in_for("triton", "triton.language")
