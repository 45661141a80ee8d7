def test_cast(cast):
    assert cast.alice.role == "owner"
